//! Where encoders write.

/// Takes the bytes of a packet in order. A sink decides itself what it keeps of them.
pub trait Sink {
    /// The next bytes of the packet.
    fn put(&mut self, bytes: &[u8]);
}

/// Counts what an encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Bytes written so far.
    pub bytes: usize,
}

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
    }
}

/// A part of a stream: leaves out its first bytes and keeps what fits into a buffer.
///
/// A transport that took half a packet gets the other half from encoding the packet again through a window that skips
/// the first half: a partial send needs no copy of the packet.
#[derive(Debug)]
pub struct Window<'a> {
    skip: usize,
    written: usize,
    buffer: &'a mut [u8],
}

impl<'a> Window<'a> {
    /// A window onto `buffer.len()` bytes behind the first `skip`.
    pub const fn new(skip: usize, buffer: &'a mut [u8]) -> Self {
        Window { skip, written: 0, buffer }
    }

    /// Bytes in the buffer.
    pub const fn written(&self) -> usize {
        self.written
    }

    /// Whether further bytes would be lost.
    pub const fn is_full(&self) -> bool {
        self.written == self.buffer.len()
    }
}

impl Sink for Window<'_> {
    // So that a length which the caller knows is one that the compiler knows.
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        // Nearly always all of it goes in.
        if self.skip == 0
            && let Some(end) = self.written.checked_add(bytes.len())
            && let Some(to) = self.buffer.get_mut(self.written..end)
        {
            to.copy_from_slice(bytes);
            self.written = end;
            return;
        }
        self.put_part(bytes);
    }
}

impl Window<'_> {
    /// Writes what is left of a piece at the beginning of the window, or what of it fits at the end.
    #[cold]
    fn put_part(&mut self, bytes: &[u8]) {
        let Some(bytes) = bytes.get(self.skip..) else {
            self.skip -= bytes.len();
            return;
        };
        self.skip = 0;
        let Some(free) = self.buffer.get_mut(self.written..) else { return };
        let length = bytes.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
            self.written += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_shows_its_part_of_the_stream() {
        let stream = [b"abc".as_slice(), b"", b"defgh", b"i"];
        for skip in 0..=10 {
            for length in 0..=10 {
                let mut buffer = [0; 10];
                let mut window = Window::new(skip, &mut buffer[..length]);
                stream.iter().for_each(|part| window.put(part));
                let written = window.written();
                let whole = b"abcdefghi";
                let expected = &whole[skip.min(9)..(skip + length).min(9).max(skip.min(9))];
                assert_eq!(&buffer[..written], expected, "skip {skip} length {length}");
            }
        }
    }
}
