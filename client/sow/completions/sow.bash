# Completion of sow for bash. sow itself knows the candidates, so they are always those of the installed version.
_sow() {
    local -a lines
    mapfile -t lines < <("$1" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    if [[ ${lines[0]-} == :file ]]; then
        compopt -o default
    else
        COMPREPLY=("${lines[@]%%$'\t'*}")
    fi
}
complete -F _sow sow
