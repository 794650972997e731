/* The last step: from a process of ours to the command. */
#ifndef UNIONRUN_LAUNCH_COMMAND_H
#define UNIONRUN_LAUNCH_COMMAND_H

/* Becomes `user` ("": stays who it is; become.h) and executes the command, which is searched for in PATH. Returns only
   if that cannot be done: an exit status as env(1) has it, and it has been said why. */
int run_command(const char *user, char **command);

#endif
