# fish completion for PROGRAM: asks 'PROGRAM --complete' (base/cli/completions.h)
function __PROGRAM_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l lines (command PROGRAM --complete $words[2..-1] "$word" 2>/dev/null)
    test -n "$lines[1]"; or return
    set -l head (string split \t -- $lines[1])
    set -l files '^[^\t]*'
    switch $head[1]
        case options names
            printf '%s\n' "$head[2]"(string replace -r '=\t' \t -- $lines[2..-1])
            return
        case none
            return
        case folders
            set files '^[^\t]*/'
        case archives
            set files '^[^\t]*(/|\.mcap)(?=\t|$)'
    end
    # A command without completions completes files.
    set -l value (string replace -- "$head[2]" '' "$word")
    set -l found (complete -C "__PROGRAM_files $value" | string match -r $files)
    printf '%s\n' "$head[2]"$found
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
