# The completion for fish: awk -v records=FILE -f records.awk -f fish.awk

function quoted(s) {
    gsub(/\\/, "\\\\", s)
    gsub(/'/, "\\'", s)
    return "'" s "'"
}

function row(at, rest) { print "complete -c unionrun -n '__unionrun_at " at "' " rest }

function option(command, name, value, help,    kind, rest) {
    rest = name ~ /^--/ ? "-l " substr(name, 3) : "-s " substr(name, 2)
    kind = kind_of(value)
    if (kind == "FILE")
        rest = rest " -rF"
    else if (kind == "DIR")
        rest = rest " -xa '(__fish_complete_directories)'"
    else if (kind == "WORDS")
        rest = rest " -xa " quoted(words_of(value))
    else if (value != "-")
        rest = rest " -x"
    row(command, rest " -d " quoted(help))
}

BEGIN {
    print "# fish completion for unionrun: made of its --help.\n"
    print "# Which subcommand is it? \"-\" for a run, \"first\" where one may stand, \"command\" behind the -- of a run."
    print "function __unionrun_at"
    print "    set -l words (commandline -opc)"
    print "    set -l command -"
    print "    if test (count $words) -gt 1; and not string match -q -- '-*' $words[2]"
    print "        set command $words[2]"
    print "    end"
    printf "    if contains -- -- $words; and contains -- $command"
    for (c = 0; c <= count; c++)
        if (operand_of(c ? commands[c] : "-") == "COMMAND")
            printf " %s", (c ? commands[c] : "-")
    print ""
    print "        test $argv[1] = command"
    print "    else if test $argv[1] = first"
    print "        test (count $words) -eq 1"
    print "    else"
    print "        test $argv[1] = $command"
    print "    end"
    print "end\n"
    print "function __unionrun_command"
    print "    set -l words (commandline -opc)"
    print "    set -l rest $words[(math (contains -i -- -- $words) + 1)..-1] (commandline -ct)"
    print "    complete -C (string join ' ' -- $rest)"
    print "end\n"
    print "complete -c unionrun -f"
    print "complete -c unionrun -n '__unionrun_at command' -a '(__unionrun_command)'"
    for (c = 1; c <= count; c++)
        row("first", "-a " commands[c] " -d " quoted(what[commands[c]]))
    for (c = 0; c <= count; c++) {
        command = c ? commands[c] : "-"
        from = options_of(command)
        for (i = 1; i <= all[from]; i++)
            option(command, name[from, i], value[from, i], help[from, i])
        if (operand_of(command) == "FILE")
            row(command, "-F")
        else if (operand_of(command) == "COMMAND")
            row(command "; and not __unionrun_at first", "-a -- -d 'the command follows'")
    }
}
