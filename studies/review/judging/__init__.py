"""What a person says of pictures: picks between pairs, rejections, the weights that follow."""
