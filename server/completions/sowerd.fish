# Completion of sowerd for fish. The options are those that sowerd --help prints.
for line in (sowerd --help 2>/dev/null)
    # All of the line, the option, the name of its value (--option VALUE or --option[=VALUE]) if it takes one, its meaning.
    set -l parts (string match -r -- '^  --([a-z-]+)(\[=[^]]+\]| [A-Za-z|]+|) +(.*)' $line)
    or continue
    set -l value (string trim -c '[]= ' -- $parts[3])
    switch "$value"
        case ''
            complete -c sowerd -f -l $parts[2] -d $parts[4]
        case FILE DIRECTORY
            complete -c sowerd -r -F -l $parts[2] -d $parts[4]
        case '*|*'
            complete -c sowerd -f -l $parts[2] -d $parts[4] -a (string replace -a '|' ' ' $value)
        case '*'
            complete -c sowerd -x -l $parts[2] -d $parts[4]
    end
end
