//! Bytes on their way to the console: whole lines, bounded, replies before log lines.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::limits::{CONSOLE_LOG_BYTES, CONSOLE_OUTPUT_BYTES};

/// The console's output queue.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// Bytes at the front that were already written.
    written: usize,
    lost_log_lines: u32,
}

impl Output {
    /// What waits to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Takes `count` bytes off the front.
    pub(crate) fn written(&mut self, count: usize) {
        self.written = self.written.saturating_add(count).min(self.bytes.len());
        if self.written == self.bytes.len() {
            // A quiet console holds no heap.
            self.bytes = Vec::new();
            self.written = 0;
        }
    }

    /// Whether the answer to another command fits, whatever it is.
    pub(crate) fn has_room_for_reply(&self) -> bool {
        self.pending().len() <= CONSOLE_LOG_BYTES
    }

    /// Adds a line of a reply. One that finds no room is lost; [`Output::has_room_for_reply`] is asked before.
    pub(crate) fn reply(&mut self, line: &str) {
        // The asker times out and asks again.
        let _ = self.line(format_args!("{line}"), CONSOLE_OUTPUT_BYTES);
    }

    /// Adds a packet, which nothing stands inside of. One that finds no room is lost, as a reply is.
    pub(crate) fn packet(&mut self, packet: &[u8]) {
        let room = CONSOLE_OUTPUT_BYTES.saturating_sub(self.pending().len());
        if packet.len() <= room && self.bytes.try_reserve(packet.len()).is_ok() {
            self.bytes.extend_from_slice(packet);
        }
    }

    /// Adds a log line, or counts it as lost when the console cannot keep up.
    pub(crate) fn log(&mut self, line: fmt::Arguments<'_>) {
        if self.lost_log_lines > 0 {
            let lost = self.lost_log_lines;
            if self.line(
                format_args!("warn: {lost} log lines were lost: the console is too slow"),
                CONSOLE_LOG_BYTES,
            ) {
                self.lost_log_lines = 0;
            }
        }
        if !self.line(line, CONSOLE_LOG_BYTES) {
            self.lost_log_lines = self.lost_log_lines.saturating_add(1);
        }
    }

    /// Whether the line fitted; one that does not leaves nothing behind.
    fn line(&mut self, line: fmt::Arguments<'_>, limit: usize) -> bool {
        if self.written > 0 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        let before = self.bytes.len();
        let fitted = Bounded { bytes: &mut self.bytes, limit }.write_fmt(format_args!("{line}\r\n")).is_ok();
        if !fitted {
            self.bytes.truncate(before);
        }
        fitted
    }
}

struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.bytes.len().saturating_add(text.len()) > self.limit {
            return Err(fmt::Error);
        }
        self.bytes.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_and_the_heap_goes_back() {
        let mut output = Output::default();
        output.reply("one");
        output.log(format_args!("two {}", 2));
        assert_eq!(output.pending(), b"one\r\ntwo 2\r\n");
        output.written(4);
        assert_eq!(output.pending(), b"\ntwo 2\r\n");
        output.written(100);
        assert_eq!(output.bytes.capacity(), 0);
    }

    #[test]
    fn log_lines_are_lost_before_replies_and_counted() {
        let mut output = Output::default();
        for _ in 0..CONSOLE_LOG_BYTES {
            output.log(format_args!("chatter"));
        }
        assert!(output.pending().len() <= CONSOLE_LOG_BYTES);
        assert!(output.has_room_for_reply());
        output.reply("still answered");
        assert!(output.pending().ends_with(b"still answered\r\n"));
        let lost = output.lost_log_lines;
        output.written(usize::MAX);
        output.log(format_args!("after"));
        let text = core::str::from_utf8(output.pending()).unwrap();
        assert!(text.starts_with(&alloc::format!("warn: {lost} log lines were lost")), "{text}");
        assert!(text.ends_with("after\r\n"));
    }
}
