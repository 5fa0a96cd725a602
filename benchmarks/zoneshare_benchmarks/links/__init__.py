"""Links between processes: delay, bandwidth and loss in user space, and what the kernel has for it."""
