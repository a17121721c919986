"""One file a noun: its options and how its answers look. What happens is decided behind the daemon's socket."""
