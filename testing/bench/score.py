"""Scores what was heard against what was said: PESQ (wide band) and STOI, as JSON.

score.py FOLDER COUNT reads N-said.wav and N-heard.wav (48 kHz, mono) for each N below COUNT.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy
from pesq import pesq
from pystoi import stoi
from scipy.io import wavfile
from scipy.signal import resample_poly

RATE = 48_000
PESQ_RATE = 16_000


def read(path):
    rate, samples = wavfile.read(path)
    assert rate == RATE, path
    return resample_poly(samples.astype(numpy.float64) / 32_768, 1, RATE // PESQ_RATE)


def score(stem):
    said, heard = read(f"{stem}-said.wav"), read(f"{stem}-heard.wav")
    # What is missing at the end was not heard.
    heard = numpy.pad(heard, (0, max(0, len(said) - len(heard))))[: len(said)]
    return {"pesq": pesq(PESQ_RATE, said, heard, "wb"), "stoi": float(stoi(said, heard, PESQ_RATE))}


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    with ProcessPoolExecutor() as pool:
        print(json.dumps(list(pool.map(score, [folder / str(number) for number in range(count)]))))


if __name__ == "__main__":
    main()
