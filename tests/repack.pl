#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# repack.pl PLANES ORDER READ WRITE [half] <raw >raw: raw video with the same
# samples in another order.
#
#   PLANES  those of the input, each with its share where they differ: Y2U1V1
#   ORDER   of the output's samples, each with the bits that it moves up, planes
#           apart by '|': Y6|U6V6. '+' joins samples in one word: R20+G10+B;
#           X is a word of ones, '-' one of zeros
#   READ    and WRITE: letters of perl's pack() for a word: C v n V N
#   half    writes floats as halves
use strict;
use warnings;

my ($planes, $order, $read, $write, $half) = @ARGV;
my @parts = map { [substr($_, 0, 1), substr($_, 1) || 1] } $planes =~ /[A-Z]\d?/g;
my $shares = 0;
$shares += $_->[1] for @parts;

binmode STDIN;
binmode STDOUT;
my @words = unpack "$read*", do { local $/; <STDIN> };
my %samples;
for (@parts) {
    my ($name, $share) = @$_;
    $samples{$name} = [splice @words, 0, @words * $share / $shares];
    $shares -= $share;
}

# To the nearest, ties to even, as sprintf rounds.
sub half {
    my ($bits) = @_;
    my $value = abs unpack 'f', pack 'L', $bits;
    my $exponent = ($bits >> 23 & 255) - 127;
    $exponent = -14 if $exponent < -14;
    return ($bits >> 16 & 0x8000) + ($exponent + 14) * 1024 +
        sprintf '%.0f', $value * 2 ** (10 - $exponent);
}

my %constant = (X => 256 ** length(pack $write, 0) - 1, '-' => 0);
for my $plane (split /\|/, $order) {
    my @steps = map { [/([A-Z-])(\d*)(\+?)/] } $plane =~ /[A-Z-]\d*\+?/g;
    my ($leading) = grep { $samples{$_} } map { $_->[0] } @steps;
    my ($word, @out) = 0;
    while (@{$samples{$leading}}) {
        for (@steps) {
            my ($name, $shift, $more) = @$_;
            my $sample = $constant{$name} // shift @{$samples{$name}};
            $sample = half($sample) if $half && !exists $constant{$name};
            $word |= $sample << ($shift || 0);
            next if $more;
            push @out, $word;
            $word = 0;
        }
    }
    print pack "$write*", @out;
}
