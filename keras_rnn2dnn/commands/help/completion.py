"""`rnn2dnn --print-completion`: what completes commands, options and files by tab.

The script holds all it needs, so that nothing is started when the key is pressed.
"""

import argparse
import sys
from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")

_BASH = """# rnn2dnn: completion of commands, options, choices and files
_rnn2dnn() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command=${{COMP_WORDS[1]}} words=
    if (( COMP_CWORD == 1 )); then
        words="{top}"
    else
        case "$command $before" in
{choices}
        *) [[ $word != -* ]] || case $command in
{options}
        esac;;
        esac
    fi
    if [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=()  # files, by -o default
    fi
}}
complete -o default -o bashdefault -F _rnn2dnn rnn2dnn
"""
_ZSH = """autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
"""


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Returns the script of a shell.

    Args:
        shell: one of `SHELLS`.
        parser: of `rnn2dnn`, with its commands.
    """
    commands = _commands(parser)
    if shell == "fish":
        return "".join(_fish(commands, parser))
    options = {name: " ".join(_options(p)) for name, p in commands.items()}
    choices = [
        f'        "{name} {option}") words="{" ".join(map(str, action.choices))}";;'
        for name, parser_of in commands.items()
        for option, action in _options(parser_of).items()
        if action.choices
    ]
    text = _BASH.format(
        top=" ".join([*commands, *_options(parser)]),
        choices="\n".join(choices),
        options="\n".join(f'        {n}) words="{o}";;' for n, o in options.items()),
    )
    return _ZSH + text if shell == "zsh" else text


def _fish(commands, parser):
    """Yields lines of fish, which completes files by itself."""
    start = "complete -c rnn2dnn -n"
    for name, command in commands.items():
        about = _quoted(command.description)
        yield f"{start} __fish_use_subcommand -f -a {name} -d {about}\n"
    for option in _options(parser):
        yield f"{start} __fish_use_subcommand -l {option.lstrip('-')}\n"
    for name, command in commands.items():
        for option, action in _options(command).items():
            line = f"{start} '__fish_seen_subcommand_from {name}' "
            line += f"-l {option.lstrip('-')}"
            if action.nargs != 0:
                line += " -r"
            if action.choices:
                line += f" -f -a '{' '.join(map(str, action.choices))}'"
            yield f"{line}\n"


def _quoted(text):
    return "'" + " ".join(text.split()).replace("'", "\\'") + "'"


def _commands(parser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _options(parser) -> dict[str, argparse.Action]:
    """Returns the long options of a parser."""
    return {
        option: action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }


class PrintCompletion(argparse.Action):
    """Prints the script of a shell, and ends the program."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Prints it."""
        sys.stdout.write(script(values, parser))
        parser.exit()
