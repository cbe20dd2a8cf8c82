"""
The sub-commands of `peerline`, one module each (or one for a few that belong together).

A module has `register(app)`, which adds its commands to the typer application given. A command
takes the home from its context, `Home.at(context.obj)`, and raises StackError for what the
person can act on. What only a command needs is imported inside it: `peerline --help` stays quick.
"""
