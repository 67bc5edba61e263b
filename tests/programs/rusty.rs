// SPDX-License-Identifier: Apache-2.0
// rusty: main -> rusty::outer -> rusty::descend (ten times) -> a closure in rusty::burn.
use std::hint::black_box;
use std::io::Write;

#[inline(never)]
fn burn(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, i| black_box(sum ^ i))
}

#[inline(never)]
fn descend(depth: u32) -> u64 {
    let below = if depth > 1 { descend(depth - 1) } else { burn(100_000) };
    black_box(below) + 1
}

#[inline(never)]
fn outer() -> u64 {
    black_box(descend(10)) + 1
}

fn main() {
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        black_box(outer());
    }
}
