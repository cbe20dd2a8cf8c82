"""The work that time or a wake-up triggers: sending what is due, and looking after who is silent."""
