"""Which training state a run resumes from."""

from functools import partial
from pathlib import Path

from basicsr.utils import get_root_logger, set_random_seed

from ..errors import UserError
from ..ranks import gathered, on_rank_0
from .state_files import agent_name, load_state, load_whole_state, network_files, newest_whole

__all__ = ['choose_state']


def choose_state(opt: dict) -> dict | None:
    """Choose and read the training state to resume from, the same one on every rank.

    It is the newest whole one of the experiment with ``--auto_resume``, or the newest of this launch if torchrun
    has restarted the processes, or else ``path.resume_state``.  The options are changed as BasicSR
    does: ``path.resume_state`` names it, and ``path.pretrain_network_*`` the networks saved with it.

    Returns:
        dict | None: The state; None if the run starts from its beginning.

    Raises:
        SharedError: The chosen state is broken, or the experiment has states but not one that is whole.
    """
    # Of several nodes' agents one that has stayed is enough: torchrun replaces the others.
    agents = [agent for agent in gathered(agent_name()) if agent is not None]
    path, passed_over = on_rank_0(partial(_find, opt, agents))
    for reason in passed_over:
        get_root_logger().warning(f'Passed over: {reason}')
    if path is None:
        return None
    state = load_state(path)
    opt['path']['resume_state'] = str(path)
    files = {name: str(file) for name, file in network_files(path, state).items()}
    if not files:
        files = _networks_of_basicsr(opt, path, state['iter'])
    for name, file in files.items():
        opt['path'][f'pretrain_{name}'] = file
    opt['path']['ignore_resume_networks'] = [name for name in opt if name.startswith('network_') and name not in files]
    if opt.pop('seed_is_drawn', False) and 'seed' in state:
        opt['manual_seed'] = state['seed']
        set_random_seed(opt['manual_seed'] + opt['rank'])
    return state


def _find(opt: dict, agents: list[str]) -> tuple[Path | str | None, list[str]]:
    """Path of the state, and why newer ones were passed over."""
    experiment = opt['path']['experiments_root']
    if opt['auto_resume']:
        path, _, passed_over = newest_whole(experiment)
        if path is None and passed_over:
            raise UserError(
                f'{experiment} has training states, but none that is whole; move the experiment away to start over',
                *passed_over,
            )
        if path is not None:
            return path, passed_over
    elif agents:
        path, state, passed_over = newest_whole(experiment)
        if path is not None and state is not None and not set(agents).isdisjoint(state.get('agents', ())):
            return path, passed_over
    path = opt['path'].get('resume_state')
    if path is not None:
        load_whole_state(path)
    return path, []


def _networks_of_basicsr(opt: dict, state_path: str | Path, iteration: int) -> dict[str, str]:
    """{name: file} of networks saved with a state of BasicSR itself, which does not list them."""
    folder = Path(state_path).absolute().parents[1] / 'models'
    files = {
        name: folder / f'net_{name.removeprefix("network_")}_{iteration}.pth'
        for name in opt
        if name.startswith('network_')
    }
    return {name: str(file) for name, file in files.items() if file.is_file()}
