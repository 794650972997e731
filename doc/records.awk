# Reads the file `records` that doc/options makes. Afterwards there are
#
#   count, commands[1..count], what[COMMAND]     the subcommands; "-" is a run
#   ending                                       what is said of the exit status
#   usage[COMMAND], about[COMMAND], same[COMMAND] (its options are those of a run)
#   own[COMMAND], all[COMMAND]                   how many options it has: of its own, and with those of the mounts
#   name, value, help[COMMAND, 1..all[COMMAND]]  value is "-" for a flag

function add(command) {
    all[command]++
    name[command, all[command]] = field[3]
    value[command, all[command]] = field[4]
    help[command, all[command]] = field[5]
}

BEGIN {
    while ((getline line <records) > 0) {
        split(line, field, "\t")
        kind = field[1]
        if (kind == "command") {
            commands[++count] = field[2]
            what[field[2]] = field[3]
        } else if (kind == "usage") {
            usage[field[2]] = usage[field[2]] == "" ? field[3] : usage[field[2]] "\n" field[3]
        } else if (kind == "about") {
            about[field[2]] = field[3]
        } else if (kind == "end") {
            ending = field[3]
        } else if (kind == "same") {
            same[field[2]] = 1
        } else if (kind == "option") {
            add(field[2])
            own[field[2]]++
        } else if (kind == "mount") {
            add(field[2])
        }
    }
    if (!count || !own["-"]) {
        print "records.awk: " records ": no options in it" >"/dev/stderr"
        exit 1
    }
}

# options_of(command): whose options it takes
function options_of(command) { return command in same ? "-" : command }

# usage_of(command): what is in a run's usage, where it has none of its own
function usage_of(command,    n, i, lines) {
    if (!(command in same))
        return usage[command]
    n = split(usage["-"], lines, "\n")
    for (i = 1; i <= n; i++)
        if (index(lines[i], command " ") == 1)
            return lines[i]
    return command
}

# operand_of(command): what its arguments are: "FILE" if paths, "COMMAND" if a command, "" if there are none
function operand_of(command,    text) {
    text = usage_of(command)
    if (text ~ / -- COMMAND/)
        return "COMMAND"
    sub(/\n.*/, "", text)
    gsub(/\[-[^]]*\]/, "", text) # options
    return text ~ /(PATH|IMAGE|TARGET|FILE|DIR)[].]*$/ ? "FILE" : ""
}

# kind_of(value): how an option's value is completed: "FILE", "DIR", "WORDS" (of it split at |) or ""
function kind_of(value) {
    if (value ~ /\|/)
        return "WORDS"
    if (value == "DIR")
        return "DIR"
    return value ~ /^(FILE|PATH|TARGET)$/ ? "FILE" : ""
}

function words_of(value) {
    gsub(/\|/, " ", value)
    return value
}
