# shellcheck shell=bash
# bash completion for @TOOL@, which finds the candidates itself: see cli/complete.h.
# COMP_LINE is used instead of COMP_WORDS, because bash splits words at ":" and "=".

_@TOOL@_complete() {
	local text description
	compopt -o nosort 2> /dev/null
	COMPREPLY=()
	while IFS=$'\t' read -r text description; do
		# 63: bash only lists the candidates, so that a description may follow the word
		if [[ $COMP_TYPE == 63 && $description ]]; then
			printf -v text '%-24s (%s)' "$text" "$description"
			text=${text:0:${COLUMNS:-80}-2}
		elif [[ $text == *[=/:,] ]]; then
			compopt -o nospace 2> /dev/null
		fi
		COMPREPLY+=("$text")
	done < <("${1/#~\//$HOME/}" --complete-bash "${COMP_LINE:0:COMP_POINT}" 2> /dev/null)
	[[ $COMP_TYPE != 63 || ${#COMPREPLY[@]} -gt 1 ]] || COMPREPLY=("${COMPREPLY[0]%% *}")
}
complete -F _@TOOL@_complete @TOOL@
