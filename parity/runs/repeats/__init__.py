"""Calls that a judgment repeats: in another order, with other inputs, and without asking for the stages.

A golden is judged with one call for each stage and one whole conversion. A program can be right in each of them and
wrong for its users: it may keep state between calls, return answers that it has stored by the name of a case, or
compute something else where no tap records its stages. Therefore, beside the judgment of all cases:

1. A stage that failed is called again with the same inputs, and once more after a restart of the program. A stage that
   was right alone and is the origin in a conversion is called twice more.
2. At the end each stage of the first file is called with other inputs and then again with the golden's, so that all
   other cases lie between its two answers (A B A).
3. The answers to the other inputs are compared with those of `rvc`, which is a proven program: it passes all goldens.
4. The whole conversion is run again, with nothing but the final waveform requested, and with another speaker and other
   noise.

An answer is compared within the limits of its stage, so that a program whose sums have another order at each call, as
on a GPU, is not reported.
"""
