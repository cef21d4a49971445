#compdef @TOOL@
# zsh completion for @TOOL@, which finds the candidates itself: see cli/complete.h.

local line text tail
local -a typed options closed closed_shown open open_shown
typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
# a path with ~ stays as it is typed
[[ $PREFIX == \~/* ]] && options=(-Q)
for line in ${(f)"$(${(Q)~words[1]} --complete-words $((CURRENT - 2)) -- "${(@)typed}" 2> /dev/null)"}; do
	text=${line%%$'\t'*}
	tail=${line#*$'\t'}
	tail=$text${tail:+  -- $tail}
	(( $#options )) && text=\~/${(q)text#\~/}
	if [[ $text == *[=/:,] ]]; then
		open+=("$text") open_shown+=("$tail")
	else
		closed+=("$text") closed_shown+=("$tail")
	fi
done
compadd $options -l -d closed_shown -a closed
compadd $options -l -S '' -d open_shown -a open
[[ -n $closed || -n $open ]]
