# Completion of sowerd for bash. The options are those that sowerd --help prints.
_sowerd() {
    local help value='' previous=${COMP_WORDS[COMP_CWORD - 1]}
    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    help=$("$1" --help 2>/dev/null)
    # The name of the value of --option VALUE or --option[=VALUE].
    [[ $previous =~ ^--[a-z-]+$ ]] && value=$(sed -n "s/^  $previous\[\{0,1\}[ =]\([A-Za-z|]*\).*/\1/p" <<<"$help")
    COMPREPLY=()
    case $value in
    FILE | DIRECTORY) compopt -o default ;;
    *\|*) mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$2") ;;
    ?*) ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^  \(--[a-z-]*\).*/\1/p' <<<"$help")" -- "$2") ;;
    esac
}
complete -F _sowerd sowerd
