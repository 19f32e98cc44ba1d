//! `zlib-stream`: one deflate stream for each connection, flushed after each message.

use flate2::{Compress, Compression, FlushCompress};

/// The text or the compressed form of a connection's messages.
#[derive(Debug)]
pub(crate) struct ZlibStream(Compress);

impl ZlibStream {
    pub(crate) fn new() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }

    /// The bytes of the next message; they end with the flush marker `00 00 ff ff`.
    pub(crate) fn message(&mut self, text: &str) -> Result<Vec<u8>, flate2::CompressError> {
        let mut input = text.as_bytes();
        let mut output = Vec::with_capacity(text.len() / 2 + 64);
        loop {
            let before = self.0.total_in();
            self.0.compress_vec(input, &mut output, FlushCompress::Sync)?;
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(input.len());
            input = input.get(taken..).unwrap_or_default();
            // A full buffer may hide more output; a message is whole when there was room left.
            if input.is_empty() && output.len() < output.capacity() {
                return Ok(output);
            }
            output.reserve(output.capacity().max(64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    #[test]
    fn messages_share_one_stream_and_each_ends_with_the_marker() {
        let mut stream = ZlibStream::new();
        let mut inflate = Decompress::new(true);
        for size in [1, 63, 64, 5_000, 100_000] {
            let text: String = (0..size)
                .map(|n| char::from(b'a' + u8::try_from(n * n % 23).unwrap()))
                .collect();
            let bytes = stream.message(&text).unwrap();
            assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
            let mut back = Vec::with_capacity(size + 16);
            inflate
                .decompress_vec(&bytes, &mut back, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(back, text.as_bytes());
        }
    }
}
