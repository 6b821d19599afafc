"""``completion``: what a shell needs to complete this command's words."""

import argparse
import sys
from collections.abc import Iterator

_BASH = """\
_ipcluster_ext() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  else
    case "$command" in
{cases}
    esac
    if [[ "$current" != -* ]]; then
      case "$command" in
        start) words="$(ipcluster-ext profile list 2>/dev/null | awk 'NR > 1 {{print $1}}')" ;;
        stop|restart|scale|adapt|status|engines|tasks|logs)
          words="$(ipcluster-ext list 2>/dev/null | awk 'NR > 1 {{print $1}}')" ;;
      esac
    fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _ipcluster_ext ipcluster-ext
"""
_ZSH = "autoload -Uz bashcompinit && bashcompinit\n"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this command to the others."""
    command = commands.add_parser(
        "completion",
        help="what a shell needs to complete words",
        description='For bash, in ~/.bashrc: eval "$(ipcluster-ext completion bash)"',
    )
    command.add_argument("shell", choices=("bash", "zsh"))
    command.set_defaults(run=lambda options: _print(options.shell, commands))


def _print(shell: str, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> int:
    names = commands.choices
    cases = "\n".join(
        f'      {name}) words="{" ".join(_words(parser))}" ;;' for name, parser in names.items()
    )
    script = _BASH.format(commands=" ".join(names), cases=cases)
    sys.stdout.write(_ZSH + script if shell == "zsh" else script)
    return 0


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a command, and the names of its actions."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            yield from action.choices
