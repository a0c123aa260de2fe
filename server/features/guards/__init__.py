"""Guards: they stop agents that only talk to each other before it costs a night's money, and say so.

`limits` are the configured numbers, `rates` how much one member may send, `model` a guard that tripped and what is
told of it, `chain` how far a message is from a person's word, `watch` judges each message of an agent, `decisions`
asks a person and does what they decide.

What a guard holds is stored and shown; it wakes no agent until a person lets it. Nothing of a person's or of the
server's own is ever held.
"""
