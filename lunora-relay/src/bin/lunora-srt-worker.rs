//! The SRT worker as a program of its own, for those that have no place for it in theirs.
//!
//! Nobody starts it by hand: it speaks the protocol of `lunora_srt` on its standard input and output.

fn main() {
    lunora_srt::run_child(std::io::stdin(), std::io::stdout());
}
