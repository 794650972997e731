/* Removing a tree of our own. */
#ifndef UNIONRUN_LAUNCH_REMOVE_H
#define UNIONRUN_LAUNCH_REMOVE_H

/* Removes the directory and all beneath, whatever the modes are; follows no symlink and crosses into nothing
   else. 0, or -errno of the first thing that could not be removed. */
int remove_tree(const char *directory);
/* The same of one that is named in the directory `at`. */
int remove_tree_at(int at, const char *directory);

#endif
