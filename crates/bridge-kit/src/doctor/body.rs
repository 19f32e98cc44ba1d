//! Answers over HTTP, which may be as long as a server likes.

use reqwest::Response;

/// The longest answer that is read, in bytes: `/metrics` of a bridge has some tens of thousands.
const LONGEST: usize = 1 << 20;

/// Reads an answer; nothing where it is too long, or breaks off.
pub(super) async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LONGEST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
