"""Where code that a language model wrote is run: behind a gate, in a process without rights.

    gate     what such code may say at all: one function, few imports, no underscores
    walls    what its process may do: memory, time, no files, no network, no other processes
    worker   the process: keeps documents, forks a child for every function it is asked to run
    frames   how the two sides speak: length-prefixed JSON over pipes
    runner   our side: sends documents and functions, counts the seconds, kills, judges the fate

No layer relies on the one before it. The gate is Python and Python has many doors, so the walls are
the kernel's; where the kernel lacks one, `Sandbox.level` says so.
"""
