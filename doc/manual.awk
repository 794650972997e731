# Puts into a page of the manual what is known elsewhere: awk -f records.awk -f manual.awk -v date= -v records= -v keys= PAGE.in
#
#   .\" @OPTIONS@     the options of a run, from the records (doc/options)
#   .\" @COMMANDS@    the subcommands and their options, from the same
#   .\" @STATUS@      what --help says of the exit status
#   .\" @KEYS@        the keys of a layer file: the file `keys`, which doc/keys.jq made of the schema
#   @DATE@            of the release. @DATADIR@ is left to `make install`

# text(s): as mdoc takes it: each sentence on a line of its own, and none longer than 80 bytes
function text(s,    sentences, words, n, m, i, j, line, out) {
    gsub(/\\/, "\\e", s)
    gsub(/\. /, ".\n", s)
    n = split(s, sentences, "\n")
    for (i = 1; i <= n; i++) {
        m = split(sentences[i], words, " ")
        line = ""
        for (j = 1; j <= m; j++) {
            if (words[j] ~ /^[`(]?-/)
                gsub(/-/, "\\-", words[j])
            if (line != "" && length(line) + length(words[j]) >= 80) {
                out = out plain(line) "\n"
                line = ""
            }
            line = line (line == "" ? "" : " ") words[j]
        }
        out = out plain(line) (i < n ? "\n" : "")
    }
    return out
}

# A line that is no request.
function plain(line) { return (line ~ /^[.\x27]/ ? "\\&" : "") line }

# sentence(s): help as a sentence
function sentence(s) {
    if (s !~ /^unionrun/)
        s = toupper(substr(s, 1, 1)) substr(s, 2)
    return text(s (s ~ /\.$/ ? "" : "."))
}

# flag(s): -o is Fl o, --layers is Fl -layers
function flag(s) { return "Fl " substr(s, 2) }

# One of several words, or the name of what is meant.
function argument(value,    words, n, i, out) {
    if (value == "-")
        return ""
    n = split(value, words, "|")
    if (n == 1)
        return " Ar " value
    out = ""
    for (i = 1; i <= n; i++)
        out = out (i > 1 ? " | " : " ") "Cm " words[i]
    return out
}

function list(command,    i) {
    print ".Bl -tag -width Ds"
    for (i = 1; i <= own[command]; i++) {
        print ".It " flag(name[command, i]) argument(value[command, i])
        print sentence(help[command, i])
    }
    print ".El"
}

/^\.\\" @OPTIONS@/ { list("-"); next }

/^\.\\" @COMMANDS@/ {
    for (i = 1; i <= count; i++) {
        command = commands[i]
        print ".Ss unionrun " command
        print ".Bd -literal -compact"
        print usage_of(command)
        print ".Ed"
        print ".Pp"
        if (command in same) {
            print sentence(what[command])
            print "It takes the options of a run."
            continue
        }
        print text(about[command])
        if (own[command] < all[command])
            print "The options of the mounts are those of a run."
        list(command)
    }
    next
}

/^\.\\" @STATUS@/ { print text(ending); next }

/^\.\\" @KEYS@/ {
    while ((getline line <keys) > 0)
        print line ~ /^\.[A-Zb]/ ? line : text(line)
    next
}

{
    gsub(/@DATE@/, date)
    print
}
