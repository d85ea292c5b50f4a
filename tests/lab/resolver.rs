//! What answers at every host's resolver: it knows one name, and says of all others that they do not exist.

use std::net::{Ipv4Addr, UdpSocket};

use crate::internet::RESOLVER;

/// The endpoint of the built-in clusters, where nobody says another.
pub const NAME: &str = "vpn.example.com";
/// Who stands behind it here.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 110);

/// Answers from now on, until the lab ends.
pub fn serve() {
    let socket = UdpSocket::bind((RESOLVER, 53)).expect("the resolver's address is the lab's own");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
}

/// The answer to a query with one question (RFC 1035, 4.1).
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = query.split_at_checked(12)?;
    let name = rest.iter().position(|byte| *byte == 0)? + 1;
    let question = rest.get(..name + 4)?;
    let asked = NAME.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]);
    let is_known = question[..name].eq_ignore_ascii_case(&asked.collect::<Vec<_>>());
    // type A, class IN; of any other type the name has nothing
    let has_address = is_known && question[name..] == [0, 1, 0, 1];
    let code = if is_known { 0 } else { 3 };
    let counts = [0, 1, 0, u8::from(has_address), 0, 0, 0, 0];
    let mut answer = [&header[..2], &[0x81, 0x80 | code], &counts, question].concat();
    if has_address {
        // the question's name, A, IN, for a minute, four bytes
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(ADDRESS.octets());
    }
    Some(answer)
}
