"""The whole of Peerline on one machine: PostgreSQL, Kafka, mail, the services."""
