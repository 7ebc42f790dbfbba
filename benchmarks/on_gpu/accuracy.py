"""What bf16 and fp16 change of a restored clip, with trained weights."""

from half_precision import differences

from .timing import arithmetic


def measure(run, limit):
    """Compare each with fp32."""
    run.drop_networks()
    if run.weights is None or run.clip is None:
        run.results.skip('accuracy', 'it takes --weights and --clip')
        return
    for precision in [name for name in run.precisions if name in ('bf16', 'fp16')]:
        if limit.over:
            run.results.skip('accuracy', precision)
            continue
        with run.attempt('accuracy', precision=precision), arithmetic('fp32'):
            result = differences(run.clip, run.weights, precision, run.device)
            run.results.add('accuracy', precision=precision, **result)
