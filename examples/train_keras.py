"""Train a small Keras model on an ML-STAC collection: python examples/train_keras.py [FOLDER]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import mlstac_hf
from mlstac_hf._demo import make_collection  # stands in for a collection of your own

EPOCHS, BATCH = 2, 4


def to_keras(image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whole numbers (N, C, H, W), as stored, to what Keras trains on."""
    # Sentinel-2 stores reflectance x 10,000 as uint16, which `.with_format("tf")` widens to int64; a network
    # wants floats around 0 to 1 with the bands last. The mask keeps its whole numbers, without its band axis.
    return tf.transpose(tf.cast(image, tf.float32) / 10_000, [0, 2, 3, 1]), mask[:, 0]


def batches(address: str, split: str, *, shuffle: bool = False) -> tf.data.Dataset:
    """One split as a tf.data pipeline."""
    rows = mlstac_hf.load_dataset(address, split=split).with_format("tf")
    pairs = rows.to_tf_dataset(columns="input", label_cols="target", batch_size=BATCH, shuffle=shuffle)
    return pairs.map(to_keras, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def network(bands: int, classes: int) -> keras.Model:
    """A few convolutions; each pixel gets its class from the 13 x 13 pixels around it."""
    return keras.Sequential(
        [
            keras.Input((None, None, bands)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(24, 3, padding="same", dilation_rate=2, activation="relu"),
            keras.layers.Conv2D(24, 3, padding="same", dilation_rate=3, activation="relu"),
            keras.layers.Conv2D(classes, 1),
        ]
    )


def main(folder: str) -> None:
    """Make the collection, train, and say how the loss went."""
    keras.utils.set_random_seed(0)
    address = str(make_collection(folder))
    collection = mlstac_hf.open_collection(address)
    model = network(len(collection.bands), len(collection.labels))
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    train, validation = batches(address, "train", shuffle=True), batches(address, "validation")
    print(f"before   loss {model.evaluate(validation, verbose=0)[0]:.3f}")
    history = model.fit(train, validation_data=validation, epochs=EPOCHS, shuffle=False, verbose=0).history
    for epoch, (loss, accuracy) in enumerate(zip(history["val_loss"], history["val_accuracy"], strict=True), 1):
        print(f"epoch {epoch}  loss {loss:.3f}  pixels right {accuracy:.0%}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(str(Path(temporary, "demo")))
