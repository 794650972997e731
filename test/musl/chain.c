/* chain FILE NAME COMMAND...: appends NAME to the file, and becomes the command. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    FILE *f = argc > 3 ? fopen(argv[1], "a") : NULL;
    if (!f || fprintf(f, "%s\n", argv[2]) < 0 || fclose(f) != 0) {
        perror("chain");
        return 1;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 1;
}
