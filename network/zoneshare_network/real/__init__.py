"""A real Fabric 2.5 ordered by Kafka: its topology, certificates and channels, by docker compose or plain processes."""
