use std::{
    collections::HashMap,
    sync::Mutex,
    thread::{self, ThreadId},
};

use lunora_core::port::IdSource;
use lunora_testkit::clock::Sequence;

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    CountsInTheHighBits,
    EachThreadCounts,
}

#[derive(Debug)]
struct Mutant {
    all: Sequence,
    each: Mutex<HashMap<ThreadId, Sequence>>,
    mutation: Mutation,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        Self {
            all: Sequence::default(),
            each: Mutex::default(),
            mutation,
        }
    }
}

impl IdSource for Mutant {
    fn mint(&self) -> u128 {
        match self.mutation {
            Mutation::Nothing => self.all.mint(),
            Mutation::CountsInTheHighBits => self.all.mint() << 46,
            Mutation::EachThreadCounts => {
                let mut each = self.each.lock().expect("no poison");
                each.entry(thread::current().id()).or_default().mint()
            }
        }
    }
}

noticed! { id_source:
    CountsInTheHighBits by
        the_low_bits_do_not_come_twice,
        the_low_bits_do_not_come_twice_on_many_threads;
    EachThreadCounts by the_low_bits_do_not_come_twice_on_many_threads;
}
