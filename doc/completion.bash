# The rest of the completion for bash, behind what bash.awk makes.
# shellcheck shell=bash disable=SC2154 # what is not assigned is there
_unionrun_kind() { # KIND CURRENT
    local line
    case $1 in
    NONE | '') return ;;
    FILE)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$2")
        ;;
    DIR)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$2")
        ;;
    *) while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$1" -- "$2") ;;
    esac
}

_unionrun() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=- i kind
    COMPREPLY=()
    # --option=value is three words to bash
    if [ "$current" = = ]; then
        current=
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -gt 1 ] && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = -- ] || continue
        kind=$(_unionrun_operand "$command")
        if [ "$kind" != COMMAND ]; then
            _unionrun_kind "$kind" "$current"
        elif declare -F _command_offset >/dev/null; then
            _command_offset $((i + 1))
        elif [ "$COMP_CWORD" -eq $((i + 1)) ]; then
            while IFS= read -r kind; do COMPREPLY+=("$kind"); done < <(compgen -c -- "$current")
        else
            _unionrun_kind FILE "$current"
        fi
        return
    done
    kind=$(_unionrun_value "$command" "$previous")
    if [ -n "$kind" ]; then
        _unionrun_kind "$kind" "$current"
        return
    fi
    if [ "$COMP_CWORD" -eq 1 ] && [[ $current != -* ]]; then
        _unionrun_kind "$_unionrun_commands" "$current"
        return
    fi
    kind=$(_unionrun_operand "$command")
    if [[ $current != -* ]] && [ "$kind" = FILE ]; then
        _unionrun_kind FILE "$current"
        return
    fi
    [ "$kind" != COMMAND ] || kind=' --'
    _unionrun_kind "$(_unionrun_options "$command")${kind#FILE}" "$current"
}

complete -F _unionrun unionrun
