//! SUBACK (section 3.9): one return code for each requested filter, in their order.

use crate::{DecodeError, EncodeError, FixedHeader, PacketId, PacketType, QoS, Reader, Sink};

/// How one filter was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscribeReturnCode {
    /// Subscribed, at most at this quality of service.
    Granted(QoS),
    /// Not subscribed.
    Failure,
}

impl SubscribeReturnCode {
    /// The code on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            SubscribeReturnCode::Granted(qos) => qos.bits(),
            SubscribeReturnCode::Failure => 0x80,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            0x80 => Ok(SubscribeReturnCode::Failure),
            _ => match QoS::from_bits(byte) {
                Ok(qos) => Ok(SubscribeReturnCode::Granted(qos)),
                Err(_) => Err(DecodeError::ReturnCode(byte)),
            },
        }
    }
}

/// The answer to SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: PacketId,
    codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// An answer out of return codes as [`SubscribeReturnCode::byte`] gives them.
    pub fn new(packet_id: PacketId, codes: &'a [u8]) -> Result<Self, DecodeError> {
        if codes.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        for &code in codes {
            SubscribeReturnCode::from_byte(code)?;
        }
        Ok(SubAck { packet_id, codes })
    }

    /// Reads the body.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        SubAck::new(packet_id, reader.rest())
    }

    /// The codes, in the order of the filters.
    pub fn return_codes(self) -> impl Iterator<Item = SubscribeReturnCode> {
        self.codes.iter().filter_map(|&code| SubscribeReturnCode::from_byte(code).ok())
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        FixedHeader::new(PacketType::SubAck, 2 + self.codes.len())?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        sink.put(self.codes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_9_3_2_other_return_codes_are_refused() {
        assert!(SubAck::decode(&[0, 1, 0, 1, 2, 0x80]).is_ok());
        assert_eq!(SubAck::decode(&[0, 1, 3]), Err(DecodeError::ReturnCode(3)));
        assert_eq!(SubAck::decode(&[0, 1]), Err(DecodeError::NoEntries));
    }
}
