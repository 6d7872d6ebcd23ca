//! The packets without a body: PINGREQ, PINGRESP, DISCONNECT (sections 3.12 to 3.14).

use crate::{DecodeError, EncodeError, FixedHeader, PacketType, Reader, Sink};

/// A packet without a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Empty {
    /// A client asks whether the broker lives.
    PingReq,
    /// It does.
    PingResp,
    /// A client leaves in order; its will is discarded.
    Disconnect,
}

impl Empty {
    /// Makes sure that the body is empty.
    pub fn decode(self, body: &[u8]) -> Result<Self, DecodeError> {
        Reader::new(body).finish()?;
        Ok(self)
    }

    /// Writes the packet.
    pub fn encode(self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let packet_type = match self {
            Empty::PingReq => PacketType::PingReq,
            Empty::PingResp => PacketType::PingResp,
            Empty::Disconnect => PacketType::Disconnect,
        };
        FixedHeader::new(packet_type, 0)?.encode(sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_the_header() {
        assert_eq!(Empty::PingReq.decode(&[]), Ok(Empty::PingReq));
        assert_eq!(Empty::Disconnect.decode(&[0]), Err(DecodeError::TrailingBytes));
    }
}
