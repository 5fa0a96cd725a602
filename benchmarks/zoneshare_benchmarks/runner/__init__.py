"""A benchmark runner that Caliper's users know: rounds, workloads, rate controllers, worker processes."""
