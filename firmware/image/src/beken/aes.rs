//! AES-256-CBC with the key that is in every boot loader: it hides nothing, it is what the boot loader expects.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};

const KEY: [u8; 32] = *b"0123456789ABCDEF0123456789ABCDEF";
const IV: [u8; 16] = *b"0123456789ABCDEF";

/// Encrypts, with 1 to 16 bytes of padding behind.
pub(super) fn encrypt(plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new(&KEY.into(), &IV.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// Decrypts and takes the padding off; `None` if there is none that is right.
pub(super) fn decrypt(payload: &[u8]) -> Option<Vec<u8>> {
    cbc::Decryptor::<Aes256>::new(&KEY.into(), &IV.into()).decrypt_padded_vec::<Pkcs7>(payload).ok()
}
