//! PINGREQ and PINGRESP (sections 3.12 and 3.13), which have no body in any version.

use crate::{DecodeError, EncodeError, FixedHeader, PacketType, Reader, Sink};

/// A client asks whether the broker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PingReq;

/// It does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PingResp;

impl PingReq {
    /// Makes sure that the body is empty.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Reader::new(body).finish()?;
        Ok(PingReq)
    }

    /// Writes the packet.
    pub fn encode(self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        FixedHeader::new(PacketType::PingReq, 0)?.encode(sink);
        Ok(())
    }
}

impl PingResp {
    /// Makes sure that the body is empty.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Reader::new(body).finish()?;
        Ok(PingResp)
    }

    /// Writes the packet.
    pub fn encode(self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        FixedHeader::new(PacketType::PingResp, 0)?.encode(sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_the_header() {
        assert_eq!(PingReq::decode(&[]), Ok(PingReq));
        assert_eq!(PingReq::decode(&[0]), Err(DecodeError::TrailingBytes));
        assert_eq!(PingResp::decode(&[]), Ok(PingResp));
        assert_eq!(PingResp::decode(&[0]), Err(DecodeError::TrailingBytes));
    }
}
