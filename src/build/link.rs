//! Links the program without a shortcut of librdkafka that can crash it.
//!
//! Brokers that no longer lead a partition may name the new leader in their answer (KIP-951), and librdkafka then updates
//! what it knows without asking. Where the answer names leaders for some partitions of a topic and none for others, as
//! while a broker starts, librdkafka 2.12 reads entries that it never wrote, takes the number of a partition from them, and
//! the process ends with a segmentation fault (confluentinc/librdkafka#5280). Without the shortcut it asks for the leaders,
//! as it does of older brokers. `sources/tests/kafka.rs` fails when librdkafka changes: then this is to be looked at again.

fn main() {
    let shim = "src/build/leader_changes.c";
    println!("cargo::rerun-if-changed={shim}");
    // An object, not a library: linkers that look at each library once would not find it.
    for object in cc::Build::new().file(shim).compile_intermediates() {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    println!("cargo::rustc-link-arg-bins=-Wl,--wrap=rd_kafka_metadata_update_op");
}
