"""What every command needs from the machine: whole files, versions, Ctrl-C."""
