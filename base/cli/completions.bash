# bash completion for PROGRAM: asks 'PROGRAM --complete' (base/cli/completions.h)
_PROGRAM()
{
    local cur=${COMP_WORDS[COMP_CWORD]} words=() lines=() found=() i kind prefix word head
    COMPREPLY=()
    # The shell splits "--net=main" into three words.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if ((i > 1)) && [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]]; then
            words[-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    # Remove the shell's quotes from the words before it.
    for ((i = 0; i < ${#words[@]} - 1; i++)); do
        words[i]=${words[i]//[\\\"\']/}
    done
    [[ $cur == = ]] && cur=
    word=${words[-1]} head=${word%"$cur"}
    mapfile -t lines < <(command PROGRAM --complete "${words[@]}" 2>/dev/null)
    kind=${lines[0]%%$'\t'*} prefix=${lines[0]#*$'\t'} prefix=${prefix%%$'\t'*}
    word=${word#"$prefix"}
    case $kind in
    options | names)
        word=${word#[\"\']}
        for i in "${lines[@]:1}"; do
            i=${i%%$'\t'*}
            [[ $i == "$word"* ]] && found+=("${i%=}")
        done
        ;;
    folders | archives | files)
        compopt -o filenames 2>/dev/null
        mapfile -t found < <(
            case $kind in
            files) compgen -f -- "$word" ;;
            archives) compgen -f -X '!*.mcap' -- "$word" ;&
            folders) compgen -d -- "$word" ;;
            esac
        )
        ;;
    esac
    for i in "${found[@]}"; do
        i=$prefix$i
        [[ $i == "$head"* ]] && COMPREPLY+=("${i#"$head"}")
    done
}
complete -F _PROGRAM PROGRAM
