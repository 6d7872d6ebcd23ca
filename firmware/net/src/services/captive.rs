//! The name server of the board's own network: every name is the board, so that a phone that looks for the internet finds
//! the board's page.

use core::net::Ipv4Addr;

use super::dns::{A, AUTHORITATIVE, Data, IN, Message, Owner, Part, RECURSION, RESPONSE, Writer};
use super::udp::Udp;
use crate::limits::CAPTIVE_TTL_S;
use crate::stack::Stack;

const PORT: u16 = 53;

/// Answers a question with the board's address; what is asked besides addresses is not there.
pub fn captive_answer(message: &[u8], own: Ipv4Addr, out: &mut [u8]) -> Option<usize> {
    let message = Message::read(message).filter(Message::is_query)?;
    let question = message.parts().0.next()?;
    let mut writer = Writer::new(out, message.id, RESPONSE | AUTHORITATIVE | message.flags & RECURSION);
    writer.repeat(&question);
    if question.class == IN && question.kind == A {
        writer.record(
            Part::Answer,
            Owner::FirstQuestion,
            (A, IN, CAPTIVE_TTL_S),
            &Data::Address(own.octets()),
        );
    }
    writer.finish()
}

/// The name server on a stack.
#[derive(Debug)]
pub struct CaptiveNames(Udp);

impl CaptiveNames {
    /// Listens on a stack.
    pub fn new(stack: &mut Stack) -> Option<Self> {
        Udp::bind(stack, PORT).map(Self)
    }

    /// Answers what has come, in a bounded turn.
    pub fn poll(&mut self, stack: &mut Stack, own: Ipv4Addr) {
        self.0.answer(stack, |message, from, out| Some((captive_answer(message, own, out)?, from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 4, 1);

    fn query(kind: u16) -> Vec<u8> {
        let mut bytes = [0; 64];
        let mut writer = Writer::new(&mut bytes, 0xABCD, 0x0100);
        writer.question(&["connectivitycheck", "gstatic", "com"], kind, IN);
        let length = writer.finish().unwrap();
        bytes[..length].to_vec()
    }

    #[test]
    fn every_name_is_the_board() {
        let mut out = [0; 512];
        let asked = query(A);
        let length = captive_answer(&asked, OWN, &mut out).unwrap();
        let head = [0xAB, 0xCD, 0x85, 0x00, 0, 1, 0, 1, 0, 0, 0, 0];
        let answer = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 168, 4, 1];
        assert_eq!(out[..length], [&head[..], &asked[12..], &answer].concat());
    }

    #[test]
    fn what_is_no_address_is_not_there_and_answers_are_not_answered() {
        let mut out = [0; 512];
        let asked = query(28);
        let length = captive_answer(&asked, OWN, &mut out).unwrap();
        assert_eq!((length, &out[6..8]), (asked.len(), &[0, 0][..]));
        let mut response = query(A);
        response[2] |= 0x80;
        assert_eq!(captive_answer(&response, OWN, &mut out), None);
        assert_eq!(captive_answer(&[0; 12], OWN, &mut out), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut out = [0; 512];
            if let Some(length) = captive_answer(&bytes, OWN, &mut out) {
                prop_assert!(length <= out.len());
            }
        }
    }
}
