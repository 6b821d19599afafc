"""The words of the wire: identities, states, messages, frames and values; nothing here moves."""
