"""What agents use: tokens, money, time, the room in their conversations and the limits of their accounts.

`model` is its row and shapes, `counting` how it comes in, `totals` how it is read, `agents` how each stands now,
`budgets` what it may cost, `exceeding` what happens when it costs more.
"""
