//! SoftEther's password hashes. A hash is as good as its password, so all of these are secrets.

use base64::prelude::{BASE64_STANDARD, Engine};
use md4::{Digest, Md4};

/// Base64 of SHA-0 over a password: the server administrator's and the Virtual Hub's `HashedPassword`.
pub fn password_hash(password: &str) -> String {
    BASE64_STANDARD.encode(sha0(password.as_bytes()))
}

/// A Virtual Hub's `SecurePassword`: its password and the name of its administrator.
pub fn hub_secure_password_hash(password: &str) -> String {
    user_password_hash(password, "ADMINISTRATOR")
}

/// A user's `AuthPassword` on the server and `HashedPassword` on the client: the password and the name in capitals.
pub fn user_password_hash(password: &str, user: &str) -> String {
    let salted = [password.as_bytes(), user.to_ascii_uppercase().as_bytes()].concat();
    BASE64_STANDARD.encode(sha0(&salted))
}

/// `AuthNtLmSecureHash`, which MS-CHAPv2 (L2TP) needs: MD4 over the password in UTF-16LE.
pub fn nt_password_hash(password: &str) -> String {
    let utf16: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    BASE64_STANDARD.encode(Md4::digest(utf16))
}

/// SHA-0 (FIPS 180, 1993): SHA-1 without the rotation in the message schedule. Broken as a hash function, and what
/// SoftEther stores; no maintained crate has it.
fn sha0(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());

    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks_exact(64) {
        let mut schedule = [0u32; 80];
        for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for t in 16..80 {
            schedule[t] = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16];
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (t, word) in schedule.iter().enumerate() {
            let (mixed, constant) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn sha0_matches_published_vectors() {
        assert_eq!(hex(&sha0(b"abc")), "0164b8a914cd2a5e74c4f7ff082c4d97f1edf880");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(&sha0(two_blocks)), "d2516ee1acfa5baf33dfc1c471e438449ef134c8");
    }

    #[test]
    fn a_users_hash_is_softethers() {
        assert_eq!(user_password_hash("something", "user"), "bbJUs2jo2YDthHuRcbb1sYtM6yE=");
    }

    #[test]
    fn an_nt_hash_is_microsofts() {
        // [MS-NLMP] 4.2.2.1.2: NTOWFv1("Password").
        assert_eq!(
            nt_password_hash("Password"),
            BASE64_STANDARD.encode([
                0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca, 0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f, 0xd8, 0x52
            ])
        );
    }
}
