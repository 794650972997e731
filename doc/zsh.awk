# The completion for zsh: awk -v records=FILE -f records.awk -f zsh.awk

# quoted(s): in single quotes
function quoted(s) {
    gsub(/'/, "'\\''", s)
    return "'" s "'"
}

# described(s): as it stands in [ ] of _arguments
function described(s) {
    gsub(/\\/, "\\\\", s)
    gsub(/\[/, "\\[", s)
    gsub(/\]/, "\\]", s)
    gsub(/:/, "\\:", s)
    return s
}

function action(value,    kind) {
    kind = kind_of(value)
    if (kind == "FILE")
        return "_files"
    if (kind == "DIR")
        return "_files -/"
    return kind == "WORDS" ? "(" words_of(value) ")" : " "
}

function arguments(command,    from, i, spec) {
    from = options_of(command)
    for (i = 1; i <= all[from]; i++) {
        spec = name[from, i] (value[from, i] == "-" ? "" : name[from, i] ~ /^--/ ? "=" : "") "[" described(help[from, i]) "]"
        if (help[from, i] ~ /give more/)
            spec = "*" spec
        if (name[from, i] ~ /^--(help|version)$/)
            spec = "(- *)" spec
        if (value[from, i] != "-")
            spec = spec ":" (value[from, i] ~ /\|/ ? "how" : value[from, i]) ":" action(value[from, i])
        print "            " quoted(spec) " \\"
    }
    print "            " (operand_of(command) == "FILE" ? "'*:path:_files'" : operand_of(command) == "COMMAND" ? "'*:command:((--\\:\"the command follows\"))'" : "")
}

BEGIN {
    print "#compdef unionrun"
    print "# zsh completion for unionrun: made of its --help.\n"
    print "_unionrun() {"
    print "    local -a subcommands"
    print "    subcommands=("
    for (c = 1; c <= count; c++)
        print "        " quoted(commands[c] ":" what[commands[c]])
    print "    )"
    print "    if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then"
    print "        _describe -t commands subcommand subcommands"
    print "        return"
    print "    fi"
    print "    local command=- at=${words[(i)--]}"
    print "    if [[ ${words[2]} != -* ]]; then"
    print "        command=${words[2]}"
    print "        shift words"
    print "        (( CURRENT--, at-- ))"
    print "    fi"
    printf "    if (( at < CURRENT )) && [[ $command == ("
    for (c = 0; c <= count; c++)
        if (operand_of(c ? commands[c] : "-") == "COMMAND")
            printf "%s%s", (c ? "|" : ""), (c ? commands[c] : "-")
    print ") ]]; then"
    print "        shift $at words"
    print "        (( CURRENT -= at ))"
    print "        _normal"
    print "        return"
    print "    fi"
    print "    case $command in"
    for (c = 0; c <= count; c++) {
        command = c ? commands[c] : "-"
        print "    " command ")"
        print "        _arguments -S \\"
        arguments(command)
        print "        ;;"
    }
    print "    esac"
    print "}\n"
    print "_unionrun \"$@\""
}
