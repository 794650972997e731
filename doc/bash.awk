# The completion for bash: awk -v records=FILE -f records.awk -f bash.awk
BEGIN {
    print "# bash completion for unionrun: made of its --help.\n"
    print "_unionrun_options() { # COMMAND"
    print "    case $1 in"
    for (c = 0; c <= count; c++) {
        command = c ? commands[c] : "-"
        from = options_of(command)
        printf "    %s) echo '", command
        for (i = 1; i <= all[from]; i++)
            printf "%s%s", (i > 1 ? " " : ""), name[from, i]
        print "' ;;"
    }
    print "    esac\n}\n"
    print "_unionrun_value() { # COMMAND OPTION: how its value is completed; nothing if it has none"
    print "    case \"$1 $2\" in"
    for (c = 0; c <= count; c++) {
        command = c ? commands[c] : "-"
        from = options_of(command)
        for (i = 1; i <= all[from]; i++) {
            if (value[from, i] == "-")
                continue
            kind = kind_of(value[from, i])
            if (kind == "WORDS")
                kind = words_of(value[from, i])
            else if (kind == "")
                kind = "NONE"
            print "    '" command " " name[from, i] "') echo '" kind "' ;;"
        }
    }
    print "    esac\n}\n"
    print "_unionrun_operand() { # COMMAND: what its arguments are"
    print "    case $1 in"
    for (c = 0; c <= count; c++) {
        command = c ? commands[c] : "-"
        if (operand_of(command) != "")
            print "    " command ") echo " operand_of(command) " ;;"
    }
    print "    esac\n}\n"
    printf "_unionrun_commands='"
    for (c = 1; c <= count; c++)
        printf "%s%s", (c > 1 ? " " : ""), commands[c]
    print "'\n"
}
