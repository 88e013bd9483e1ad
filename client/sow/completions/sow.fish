# Completion of sow for fish. sow itself knows the candidates, so they are always those of the installed version.
function __sow_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l lines ($words[1] complete $words[2..-1] "$word" 2>/dev/null)
    if test "$lines[1]" = :file
        set -l option (string match -r -- '^--[^=]*=' "$word")
        printf "$option%s\n" (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$word"))
    else
        printf '%s\n' $lines
    end
end
complete -c sow -f -a '(__sow_complete)'
